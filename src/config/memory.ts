import { Type } from '@sinclair/typebox'
import { BadSetting, seconds, type Values } from './setting.ts'

/** What sessions leave behind, and for how long. */
export const memory = {
  keyFile: Type.String({
    default: '',
    pattern: '^(none|/[^\\0\\n]+)?$',
    wanted: 'an absolute path, such as /etc/ex10/master-keys, or none',
    description: 'File with the keys that encrypt what outlives requests; made at the first start, for root only. Empty: `master-keys` in `EX10_DATA_DIR`; none: nothing is encrypted'
  }),
  recoveryWindow: seconds({ default: 3600, description: 'How long an ended session can be brought back, seconds; 0 keeps nothing for that' }),
  recoveryInterval: Type.Integer({ minimum: 1, default: 300, description: 'How often a session is noted that has been used, for its recovery, seconds' }),
  blobs: Type.String({
    default: '',
    pattern: '^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._-]*)*)?$',
    hasNoSlashAtEnd: true,
    wanted: 's3://BUCKET/PREFIX, such as s3://example/ex10',
    description: 'Where versions of code, recovery points and archives are kept: `s3://BUCKET/PREFIX`, with a prefix that no server with another store has; empty: in the data folder'
  }),
  blobsEndpoint: Type.String({
    default: '',
    pattern: '^(https?://[^/\\s?#@]+)?$',
    hasNoSlashAtEnd: true,
    wanted: 'scheme and host, such as https://minio.example.org:9000',
    description: 'Address of the S3-compatible server with the bucket of EX10_BLOBS; empty: AWS'
  }),
  blobsRegion: Type.String({ default: '', pattern: '^[a-z0-9-]*$', wanted: 'a region, such as eu-central-1', description: 'Region of the bucket of EX10_BLOBS; empty: that of AWS_REGION, or, with EX10_BLOBS_ENDPOINT, us-east-1' }),
  archive: Type.Boolean({ default: false, description: 'Keep what remains of each ended session: its final code, state, events and analytics' }),
  retentionDays: Type.Integer({ minimum: 1, maximum: 3650, default: 30, description: 'How long analytics and archives of ended sessions are kept, days' })
}

export function checkMemory ({ blobs, ...config }: Values<typeof memory>): void {
  for (const [name, value] of [['EX10_BLOBS_ENDPOINT', config.blobsEndpoint], ['EX10_BLOBS_REGION', config.blobsRegion]]) {
    if (!blobs && value) throw new BadSetting(`${name}=${value} cannot be used: it goes with EX10_BLOBS only; set that, or remove it`)
  }
}
