#!/usr/bin/env bash
# What many services cost one sidecar: memory, start, and each changed rule or endpoint; from a control plane and from a folder.
# tests/tools/measure-scale.sh [SERVICES]; needs a Release build. Figures differ by machine: nothing here is judged but the counts.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
exec artifacts/bin/Mesh.Lab/release/Mesh.Lab scale --services "${1:-1000}"
