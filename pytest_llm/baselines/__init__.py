"""What a measurement is compared with later: per-example statistics in files that a pull request can show."""
