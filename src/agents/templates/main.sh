#!/bin/sh
set -eu
# The input as JSON is on stdin, and in the file that this variable names.
python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["text"])' "$AUTONOETIC_INPUT_PATH" |
  wc -w
