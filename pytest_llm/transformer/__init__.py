"""The Transformer, written to be read: encoder-only, decoder-only and encoder-decoder, which carry published weights."""
