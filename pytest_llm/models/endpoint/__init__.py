"""A model behind an address: a server with the API of OpenAI, asked over HTTP.

    address         what is written in the place of a path: the server, the model's name, settings
    key             the secret, from the environment alone, and its traces in what a server says
    client          questions over HTTP: many at once, each with an end, repeated where that helps
    retrying        which failures are worth another try, and when
    reading         JSON of a stranger: what is not exactly as it should be is an error
    echo            log-probabilities of a prompt's tokens, read from a reply
    capabilities    what this server can say, found out once, and held against itself
    scoring         how probable whole texts are
    token_ids       tokens by their numbers, in a question and in a reply
    windows         texts that the context does not hold, in the windows of a loaded model
    writing         a text that goes on, asked for and read
    too_long        what the context does not hold: said by the server, or seen in what it counts
    whole_prompts   whether a prompt was read whole, by what the server counts
    endpoint        the model under test

Nothing here is loaded before a model is an address. HTTP is `httpx2`, of the extra [served].
"""
