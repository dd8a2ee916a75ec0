#!/bin/bash
# Ceph's gateway for s3-store.ts: a real server of S3's protocol over one monitor and one store in memory, on this machine alone.
#
#     apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common
#     test/reliability/s3-ceph.sh /tmp/ceph 9900
#     AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret npx tsx test/reliability/s3-store.ts \
#         --endpoint http://127.0.0.1:9900 --bucket loragen
#     kill $(cat /tmp/ceph/run/*.pid)
#
# The folder must not be there yet. It has a bucket called "loragen".
set -e
D=${1:?"expected a folder that is not there yet"}; PORT=${2:-9900}
[ ! -e "$D" ] || { echo "$D is there already" >&2; exit 1; }
mkdir -p "$D"/{mon,osd,run,log,rgw}; D=$(realpath "$D")
ID=$(cat /proc/sys/kernel/random/uuid)
cat > "$D/ceph.conf" <<C
[global]
fsid = $ID
mon host = v2:127.0.0.1:3300
public addr = 127.0.0.1
keyring = $D/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
mon allow pool size one = true
osd crush chooseleaf type = 0
osd crush update on start = false
run dir = $D/run
admin socket = $D/run/\$cluster-\$name.asok
log file = $D/log/\$name.log
pid file = $D/run/\$name.pid
osd objectstore = memstore
memstore device bytes = 1073741824
[mon.a]
mon data = $D/mon
[osd.0]
osd data = $D/osd
[client.rgw]
rgw data = $D/rgw
rgw frontends = beast endpoint=127.0.0.1:$PORT
rgw thread pool size = 64
C
C="$D/ceph.conf"; K="$D/keyring"
ceph-authtool --create-keyring $K --gen-key -n mon. --cap mon 'allow *' >/dev/null
ceph-authtool $K --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
ceph-authtool $K --gen-key -n client.rgw --cap mon 'allow *' --cap osd 'allow *' >/dev/null
ceph-authtool $K --gen-key -n osd.0 --cap mon 'allow *' --cap osd 'allow *' >/dev/null
monmaptool --create --fsid $ID --addv a "[v2:127.0.0.1:3300]" "$D/monmap" >/dev/null
ceph-mon -c $C -i a --mkfs --monmap "$D/monmap" --keyring $K
ceph-mon -c $C -i a
U=$(cat /proc/sys/kernel/random/uuid)
timeout 60 ceph -c $C osd new $U >/dev/null
ceph-osd -c $C -i 0 --mkfs --osd-uuid $U
timeout 60 ceph -c $C auth import -i $K
ceph-osd -c $C -i 0
timeout 60 ceph -c $C osd crush add osd.0 1.0 root=default host=here >/dev/null
timeout 120 radosgw-admin -c $C -n client.rgw user create --uid=test --display-name=test --access-key=testkey --secret-key=testsecret >/dev/null
radosgw -c $C -n client.rgw
for i in $(seq 60); do curl -s -o /dev/null http://127.0.0.1:$PORT/ && break; sleep 1; done
cd "$(dirname "$0")/../.."
AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret node --input-type=module -e '
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
const client = new S3Client({ endpoint: `http://127.0.0.1:${process.argv[1]}`, region: "us-east-1", forcePathStyle: true });
await client.send(new CreateBucketCommand({ Bucket: "loragen" }));
' "$PORT"
ceph --version
