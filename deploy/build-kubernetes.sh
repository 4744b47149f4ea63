#!/bin/sh
# Make the three servers of a Kubernetes control plane for the tests (tests/engines/kube_centre.py).
#
#   deploy/build-kubernetes.sh [FOLDER]      default: ~/.cache/jinsuan/kubernetes
#
# No distribution ships them, but Debian 12 ships their source with everything vendored, and a Go that
# builds it offline. Needs root for the packages, about ten minutes and 6 GB of temporary space.
set -eu

folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/jinsuan/kubernetes}
programs="kube-apiserver kube-controller-manager kube-scheduler"
for name in $programs; do [ -x "$folder/$name" ] || missing=1; done
if [ -z "${missing:-}" ]; then
    echo "$folder: already there"
    exit 0
fi

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT INT TERM
apt-get install -y --no-install-recommends \
    golang-1.19-go golang-1.19-src etcd-server make jq rsync dpkg-dev

# The machine's own archive, read as source, without a change to its list of sources.
mkdir -p "$temp/lists/partial" "$temp/source" "$temp/home" "$temp/go/src/k8s.io" "$folder"
key=/usr/share/keyrings/debian-archive-keyring.gpg
apt-get indextargets --format "deb-src [signed-by=$key] \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
    'Created-By: Packages' | sort -u >"$temp/sources.list"
from_source() {
    apt-get -o Dir::Etc::sourcelist="$temp/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$temp/lists" "$@"
}
from_source update -qq
(cd "$temp/source" && from_source source -qq --download-only kubernetes && tar xf kubernetes_*.orig.tar.*)
tree=$(find "$temp/source" -maxdepth 1 -type d -name 'kubernetes-*')
version=v${tree##*kubernetes-}

# Its makefile generates code that `go build` alone would miss, and wants to lie below a GOPATH.
ln -s "$tree" "$temp/go/src/k8s.io/kubernetes"
cat >"$temp/version" <<END
KUBE_GIT_COMMIT='source'
KUBE_GIT_TREE_STATE='clean'
KUBE_GIT_VERSION='$version'
KUBE_GIT_MAJOR='$(echo "$version" | cut -d. -f1 | tr -d v)'
KUBE_GIT_MINOR='$(echo "$version" | cut -d. -f2)'
END
cd "$temp/go/src/k8s.io/kubernetes"
env PATH="/usr/lib/go-1.19/bin:$PATH" HOME="$temp/home" GOPATH="$temp/go" GOCACHE="$temp/cache" \
    GO111MODULE=off GOPROXY=off CGO_ENABLED=0 KUBE_GIT_VERSION_FILE="$temp/version" \
    make WHAT="cmd/kube-apiserver cmd/kube-controller-manager cmd/kube-scheduler" GOLDFLAGS="-s -w"
for name in $programs; do install -m 755 "_output/bin/$name" "$folder/"; done
"$folder/kube-apiserver" --version
