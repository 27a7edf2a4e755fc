from autonoetic_sdk import *
