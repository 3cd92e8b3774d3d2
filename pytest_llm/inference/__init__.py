"""How examples become outputs: planned, batched, scored. Answers the requests of the metrics with the models below."""
