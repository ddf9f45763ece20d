import getDisplayFile from './get-display-file.ts'
import getDisplayProblems from './get-display-problems.ts'
import getDisplayState from './get-display-state.ts'
import getRecovery from './get-recovery.ts'
import keepSession from './keep-session.ts'
import openDisplay from './open-display.ts'
import renewDisplayUrl from './renew-display-url.ts'
import viewHome from './view-home.ts'
import viewSession from './view-session.ts'

export default [
  viewHome, viewSession, getDisplayFile, getDisplayState, getDisplayProblems, getRecovery, keepSession, openDisplay, renewDisplayUrl
]
