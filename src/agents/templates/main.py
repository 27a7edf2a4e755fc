#!/usr/bin/env python3
import json

from autonoetic_sdk import load_invocation

invocation = load_invocation()
text = invocation.input["text"]
print(json.dumps({"words": len(text.split())}))
