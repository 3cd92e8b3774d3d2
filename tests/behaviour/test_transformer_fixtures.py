"""Promise: the fixtures transformer_* make models of each architecture, on each device, with fresh or shipped weights."""

from __future__ import annotations

import pytest


def run(pytester: pytest.Pytester, test: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test)
    return pytester.runpytest_inprocess("-rs", "-p", "no:cacheprovider", "--llm-device=cpu", *arguments)


@pytest.mark.parametrize("architecture", ["encoder", "decoder", "encoder_decoder"])
def test_each_test_runs_on_the_cpu_and_is_skipped_without_a_gpu(pytester: pytest.Pytester, architecture: str) -> None:
    name = f"transformer_{architecture}"
    result = run(pytester, f"def test_it({name}):\n    assert str({name}().device) == 'cpu'\n", "-v")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*::test_it[[]cpu[]] PASSED*", "SKIPPED *needs 1 GPU; --llm-device is cpu"])


def test_fresh_models_can_be_asked(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from pytest_llm import assert_conditional_perplexity_below, assert_perplexity_below, assert_pseudo_perplexity_below

        def test_decoder(transformer_decoder):
            assert assert_perplexity_below(transformer_decoder(), ["It is a truth"], 4000).value > 1000

        def test_encoder(transformer_encoder):
            assert assert_pseudo_perplexity_below(transformer_encoder(), ["It is a truth"], 4000).value > 1000

        def test_encoder_decoder(transformer_encoder_decoder):
            rows = [{"text": "It is", "target": "a truth"}]
            assert assert_conditional_perplexity_below(transformer_encoder_decoder(), rows, 4000).value > 1000

        def test_classifier(transformer_encoder):
            (answer,) = transformer_encoder(labels=3).classify(["It is a truth"])
            assert list(answer) == [0, 1, 2] and abs(sum(answer.values()) - 1) < 1e-6
        """,
        "-k",
        "cpu",
    )
    result.assert_outcomes(passed=4, deselected=4)


def test_shipped_weights_are_shared_and_fresh_ones_are_not(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import torch
        from pytest_llm import MisuseError
        import pytest

        def test_trained(transformer_decoder):
            assert transformer_decoder(trained=True) is transformer_decoder(trained=True)
            assert transformer_decoder(trained=True).name == "tiny-decoder"

        def test_trained_encoder(transformer_encoder):
            assert transformer_encoder(trained=True).name == "tiny-encoder"

        def test_fresh(transformer_decoder):
            one, same, other = (transformer_decoder("small", seed=seed) for seed in (1, 1, 2))
            weights = [model.core.body.embedding.tokens.weight for model in (one, same, other)]
            assert weights[0] is not weights[1] and torch.equal(weights[0], weights[1])
            assert not torch.equal(weights[0], weights[2])

        def test_settings(transformer_decoder):
            assert transformer_decoder(positions="sinusoidal").core.config.positions == "sinusoidal"
            with pytest.raises(MisuseError, match="no such setting of a Transformer: .*'depth'"):
                transformer_decoder(depth=3)
            with pytest.raises(MisuseError, match="of size 'huge': expected one of .* tiny, small, base"):
                transformer_decoder("huge")
            with pytest.raises(MisuseError, match="trained weights have the size"):
                transformer_decoder("small", trained=True)

        def test_trained_encoder_decoder(transformer_encoder_decoder):
            assert transformer_encoder_decoder(trained=True).name == "tiny-encoder-decoder"
        """,
        "-k",
        "cpu",
    )
    result.assert_outcomes(passed=5, deselected=5)


def test_a_folder_of_ours_is_a_model_for_the_command_line(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from pytest_llm import embedded, load_model

        def test_it(llm, capfd):
            assert type(llm).__name__ == "CoreMaskedModel" and llm.name == "tiny-encoder"
            for source in ("tiny-encoder", str(embedded("models/tiny-encoder"))):
                assert load_model(source, device="cpu").fingerprint() is not None
            assert capfd.readouterr().err == ""  # no complaint of transformers about a configuration that it does not know
        """,
        "--llm-model=tiny-encoder",
    )
    result.assert_outcomes(passed=1)
