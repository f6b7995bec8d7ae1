import pytest

OF_A_SETTING = "What other libraries call {} is a setting of the agent here: --set {}=..."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # What other libraries have another name for.
        (["train", "--total-timesteps=9"], "What other libraries call total-timesteps is --steps"),
        (["train", "--gamma", "0.9"], OF_A_SETTING.format("gamma", "discount")),
        (["train", "--agent=sac", "--tau=0.01"], OF_A_SETTING.format("tau", "target_rate")),
        (["train", "--agent=sac", "--ent_coef=1"], OF_A_SETTING.format("ent_coef", "alpha")),
        (["train", "--preset=gym/iq", "--ent_coef=1"], OF_A_SETTING.format("ent_coef", "tau")),
        (["sweep", "--agent=sac,iq", "--lr=1"], OF_A_SETTING.format("lr", "learning_rate")),
        (["sweep", "tau=1", "--", "--lr=1"], OF_A_SETTING.format("lr", "learning_rate")),
        (["check", "iq", "--gamma=1"], OF_A_SETTING.format("gamma", "discount")),
        # Settings of an agent.
        (["train", "--tau=0.01"], "It is a setting of the agent: --set tau=0.01."),
        (["train", "--batch-size", "9"], "It is a setting of the agent: --set batch_size=..."),
        (["train", "--batch_sise=9"], "Did you mean --set batch_size?"),
        # Neither agent nor preset need exist, and no other command has settings.
        (["train", "--agent=nobody", "--gamma=1"], "train has no flag --gamma. See quinoa train"),
        (["train", "--preset=gym/no", "--gamma=1"], OF_A_SETTING.format("gamma", "discount")),
        (["evaluate", "--gamma=1"], "evaluate has no flag --gamma. See quinoa evaluate --help."),
    ],
)
def test_an_unknown_flag_is_refused_with_what_was_meant(quinoa, arguments, message):
    status, out, err = quinoa(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
