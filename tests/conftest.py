"""How hard Hypothesis tries, said once for all tests.

``suite`` is what every run does. ``thorough`` tries ten times as much, for whoever changed a parser or a
state machine: ``pytest --hypothesis-profile=thorough tests/wire``. A test that deserves more or less than
the others takes a multiple of the profile's number, never a number of its own.

Neither profile looks at a clock: on a loaded machine an example may take any time, and so may drawing it.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("suite"), max_examples=500)
settings.load_profile("suite")
