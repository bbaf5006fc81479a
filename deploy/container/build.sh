#!/bin/sh
# The image of a static program that is built already, without a network: deploy/container/build.sh PROGRAM IMAGE [ARCH]
# (Containerfile builds the program as well.) Several architectures go into one manifest of that name.
set -eu
tree=$(cd "$(dirname "$0")/../.." && pwd)
program=$1 image=$2 arch=${3:-amd64}
made=$(buildah from --arch "$arch" scratch)
trap 'buildah rm "$made" >/dev/null' EXIT
buildah copy --quiet --chmod 755 "$made" "$program" /opensoul >/dev/null
buildah copy --quiet --chmod 644 "$made" "$tree/src/config/template.toml" /etc/opensoul/monitor.toml >/dev/null
buildah config --env HOME=/home/watched --env OPENSOUL_MONITOR_STATE=/var/lib/opensoul \
    --env OPENSOUL_MONITOR_CONFIG=/etc/opensoul/monitor.toml --user 65532:65532 --volume /var/lib/opensoul --port 10177/tcp \
    --entrypoint '["/opensoul"]' --cmd 'monitor run' --arch "$arch" "$made"
buildah commit --quiet --manifest "$image" "$made" >/dev/null
