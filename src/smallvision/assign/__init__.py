"""Assignments: rules about a student's numbers give each student an experiment and a task sheet. No torch."""

from smallvision.assign.folder import refuse_taken, write
from smallvision.assign.roster import Student, read_roster
from smallvision.assign.rules import Rules, assignments, read_rules
from smallvision.assign.tasks import Task, assign, unused

__all__ = [
    "Rules",
    "Student",
    "Task",
    "assign",
    "assignments",
    "read_roster",
    "read_rules",
    "refuse_taken",
    "unused",
    "write",
]
