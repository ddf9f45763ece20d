#!/bin/sh
# The `run` of every service: becomes the command whose words stand in ./argv, one a line.
exec 2>&1
set --
while IFS= read -r word; do set -- "$@" "$word"; done <argv
exec "$@"
