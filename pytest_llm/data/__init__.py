"""What is measured on: examples with stable identities, and the ways to load them."""
