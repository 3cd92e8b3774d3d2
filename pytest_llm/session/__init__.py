"""What goes on around the tests of one pytest session: a plugin each, registered by `plugin` where it is asked for.

    asking            how models are asked, about how much and for how long: options, ini keys, tiers
    marker_gates      what markers ask of a test;   misuse   pytest's own error of it
    given_tests       tests of Hypothesis;   corpus_keeper   their counter-examples
    results           what each test came to, for all who tell of it
    run_recorder, history_writer, html_writer, exporting   who writes or sends that; `files` registers them
    baseline_keeper   what is recorded for later runs
    ci_reporter, terminal_summary, progress_bar, unfinished   what people are told
    distribution, scheduling, interim, worker_count, exclusive   xdist: who runs what, and how workers talk
    ranks             the processes of a launcher: one judges, the others serve it
    correcting        Holm's correction;     rejudging   a stored record in the place of a model
    releasing         memory of failed tests;   termination   SIGTERM

Together with `plugin`, `options`, `fixtures` and `markers` all that knows pytest.
"""
