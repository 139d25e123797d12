"""Statistics on plain numbers and arrays: intervals, tests of two networks, recipes or published figures, corrections
for several comparisons, planning, and the one rule that turns them into a verdict. No torch."""
