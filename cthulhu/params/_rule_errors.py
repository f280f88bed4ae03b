"""What to say of parameters that rules do not fit."""

from cthulhu import checks

SHOWN = 10  # Paths that a message lists.


def describe_doubtful(doubtful: list[tuple[str, list[str]]]) -> str:
    """What to say of parameters that several rules know, each as something else."""
    lines = checks.listed([f"  {name}: {' or '.join(roles)}" for name, roles in doubtful], SHOWN)
    return (
        f"Rules: {len(doubtful)} of the parameters have several roles:\n{lines}\n"
        "Say which with a rule of your own before them: rules.extend([…], before=True)"
    )


def describe_lawless(lawless: list[tuple[str, str]]) -> str:
    """What to say of parameters whose role has no law."""
    lines = checks.listed([f"  {name}: {why}" for name, why in lawless], SHOWN)
    return (
        f"Rules: for {len(lawless)} of the parameters there is no law:\n{lines}\n"
        "Add rules for them: rules.extend([…], before=True)"
    )
