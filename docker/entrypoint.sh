#!/bin/sh
# The container's start, below tini: looks at what the container was given, then leaves the server to s6, which starts it
# again when it was killed or failed. A container ends with its server's exit code.
set -eu
export NODE_COMPILE_CACHE=/run/ex10-compile-cache
node docker/given.mjs
rm -rf /run/ex10-services
cp -R docker/services /run/ex10-services
exec s6-svscan /run/ex10-services
