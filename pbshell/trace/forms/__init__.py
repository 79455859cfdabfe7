"""The forms of a trace: lines, trees, objects and charts made of dissections."""
