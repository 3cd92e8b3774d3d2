"""Run records: what a test run measured, in a file from which it can be judged again without the models."""
