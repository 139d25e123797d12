"""The parts of benchmarks/reliability.py: kills, damaged inputs, full disks, several writers, hostile names."""
