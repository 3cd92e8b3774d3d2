"""Fine-tuning: one strategy a file, which says which parameters it trains; one loop, that of `pretraining.trainer`."""
