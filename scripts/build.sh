#!/bin/sh
# Makes dist/, what the npm package ships: plain JavaScript with declarations, because Node does not strip types from
# files below node_modules. Files of src/ that are not TypeScript are copied beside it.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
rm -rf dist
tsc -p tsconfig.build.json >&2
(cd src && find . -type f ! -name '*.ts' ! -name '*.md') | while read -r file; do
  mkdir -p "dist/$(dirname "$file")"
  cp "src/$file" "dist/$file"
done
