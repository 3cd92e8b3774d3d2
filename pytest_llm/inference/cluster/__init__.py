"""A Ray cluster answers in the place of this process: settings, connection, actors, and who of them is asked what."""
