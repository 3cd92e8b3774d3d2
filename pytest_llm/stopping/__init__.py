"""Gates that are decided before all of the data is seen: `early_stop=` of assertions, `--llm-stop` of a session.

    mode       off, certain or sequential
    question   a gate as a question about a finite total
    watch      what the units seen so far say of it
    gates      which question the limit, or the tolerance, of an assertion is

`statistics.sequential` has the mathematics, `inference.early_stopping` asks the model about one block after another.
"""
