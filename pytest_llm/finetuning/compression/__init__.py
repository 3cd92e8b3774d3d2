"""Smaller models from larger ones: quantization, pruning, fewer layers, distillation. The original is never changed."""
