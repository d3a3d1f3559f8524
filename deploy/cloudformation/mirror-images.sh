#!/bin/sh
# Copies an image, for all its processors, into a repository of registry.yaml: mirror-images.sh SOURCE TARGET
# for example ghcr.io/example/roentgen-daemon:1.0 123456789012.dkr.ecr.eu-west-1.amazonaws.com/bottle/daemon:1.0
# This is the only step that needs the internet, and it runs on your machine or in CI, never in the network. Takes
# skopeo, crane or docker, whichever is there.
set -eu

fail() {
  echo "mirror-images.sh: $1" >&2
  exit 1
}

[ $# -eq 2 ] || fail "usage: mirror-images.sh SOURCE TARGET"
source=$1 target=$2
registry=${target%%/*}
case $registry in
  *.dkr.ecr.*.amazonaws.com*) ;;
  *) fail "\"$target\" is in no ECR registry; take an output of registry.yaml and add a tag" ;;
esac
case ${target##*/} in
  *:latest) fail "the repositories keep each tag for ever, so latest would be the first image; give it a version" ;;
  *:*) ;;
  *) fail "\"$target\" has no tag; add one, for example :1.0" ;;
esac
region=${registry#*.dkr.ecr.}
region=${region%%.*}

password=$(aws ecr get-login-password --region "$region") || fail "no credentials for ECR in $region; try aws login"
if command -v skopeo >/dev/null; then
  echo "$password" | skopeo login --username AWS --password-stdin "$registry"
  skopeo copy --all "docker://$source" "docker://$target"
elif command -v crane >/dev/null; then
  echo "$password" | crane auth login "$registry" --username AWS --password-stdin
  crane copy "$source" "$target"
elif command -v docker >/dev/null; then
  echo "$password" | docker login --username AWS --password-stdin "$registry"
  docker buildx imagetools create --tag "$target" "$source"
else
  fail "none of skopeo, crane and docker is installed"
fi
echo "$target"
