import { seconds } from './setting.ts'

/** What sessions leave behind, and for how long. */
export const memory = {
  recoveryWindow: seconds({ default: 3600, description: 'How long an ended session can be brought back, seconds; 0 keeps nothing for that' })
}
