import { Type } from '@sinclair/typebox'
import { seconds } from './setting.ts'

/** What sessions leave behind, and for how long. */
export const memory = {
  keyFile: Type.String({
    default: '',
    pattern: '^(none|/[^\\0\\n]+)?$',
    wanted: 'an absolute path, such as /etc/ex10/master-keys, or none',
    description: 'File with the keys that encrypt what outlives requests; made at the first start, for root only. Empty: `master-keys` in `EX10_DATA_DIR`; none: nothing is encrypted'
  }),
  recoveryWindow: seconds({ default: 3600, description: 'How long an ended session can be brought back, seconds; 0 keeps nothing for that' })
}
