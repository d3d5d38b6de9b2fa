#!/usr/bin/env bash
# Builds AWS's runtime interface client for Node.js into .ric/: what runs a function's code on Lambda. Its own installer
# builds curl first and takes two minutes; this compiles the same sources against the system's curl in a few seconds.
# Needs g++, curl's headers (libcurl4-openssl-dev) and npm.
set -euo pipefail
cd "$(dirname "$0")/../.."
ric=4.0.2 addon=8.9.2 headers=1.9.0
[ -e ".ric/$ric" ] && exit 0
rm -rf .ric && mkdir -p .ric && cd .ric
npm pack --silent "aws-lambda-ric@$ric" "node-addon-api@$addon" "node-api-headers@$headers" >/dev/null
for archive in *.tgz; do
  name=${archive%-*.tgz}
  mkdir "$name" && tar xzf "$archive" -C "$name" --strip-components=1
done
mkdir runtime && tar xJf aws-lambda-ric/deps/aws-lambda-cpp.tar.xz -C runtime 2>/dev/null
sed -e 's/@[A-Za-z_]*VERSION[A-Za-z_]*@/0/g' -e 's/@[^@]*@//g' runtime/src/version.cpp.in >runtime/src/version.cpp
# They are included and not used. The headers of Node itself have them, which npm does not install.
touch runtime/include/{uv,v8,node}.h
g++ -std=c++17 -O1 -fPIC -shared -o aws-lambda-ric/rapid-client.node \
  -DNAPI_VERSION=8 -DNODE_ADDON_API_CPP_EXCEPTIONS -DBUILDING_NODE_EXTENSION -DNODE_GYP_MODULE_NAME=rapid_client \
  -Inode-addon-api -Inode-api-headers/include -Iruntime/include \
  aws-lambda-ric/src/native/rapid-client.cc runtime/src/runtime.cpp runtime/src/logging.cpp runtime/src/version.cpp \
  -lcurl -pthread
touch "$ric"
