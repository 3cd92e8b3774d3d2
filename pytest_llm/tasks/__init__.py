"""What a model is asked to do with each example: score, generate, choose, classify. Values only; `inference` does the asking."""
