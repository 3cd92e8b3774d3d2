"""Pre-training of a Transformer: one objective a file, and a trainer that can be stopped and resumed exactly."""
