"""The same as `autonoetic_sdk`."""

from autonoetic_sdk import *  # noqa: F403
from autonoetic_sdk import __all__  # noqa: F401
