"""How sure a number is. Arrays in, values out: no model, no disk, no pytest."""
