#!/usr/bin/env bash
# 50 simulated sidecars on one control plane that watches an API server: each change is one delta to each, cut streams and a restart push nothing, a rule that changed meanwhile
# reaches all, the status counts all. Times are shown and not judged; for those of 1,000: dotnet run -c Release --project bench/Mesh.Streams
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
exec timeout 180 artifacts/bin/Mesh.Streams/release/Mesh.Streams --streams 50 --services 100 --changes 5
