"""Results that other harnesses have stored, as baselines: a reader for each kind of file, and one way from there."""
