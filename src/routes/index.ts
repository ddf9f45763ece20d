import addKey from './add-key.ts'
import addSession from './add-session.ts'
import createSession from './create-session.ts'
import deleteSession from './delete-session.ts'
import getAudit from './get-audit.ts'
import getDisplayFile from './get-display-file.ts'
import getDisplayState from './get-display-state.ts'
import getEvents from './get-events.ts'
import getLogs from './get-logs.ts'
import getMe from './get-me.ts'
import getSession from './get-session.ts'
import health from './health.ts'
import listKeys from './list-keys.ts'
import listSessions from './list-sessions.ts'
import logIn from './log-in.ts'
import logOut from './log-out.ts'
import ready from './ready.ts'
import revokeKey from './revoke-key.ts'
import updateCode from './update-code.ts'
import viewHome from './view-home.ts'
import viewSession from './view-session.ts'

/** Every route of the API. */
export const routes = [
  createSession, addSession, listSessions, getSession, deleteSession, getLogs, getEvents, updateCode,
  viewHome, viewSession, getDisplayFile, getDisplayState, getAudit, health, ready,
  logIn, logOut, getMe, addKey, listKeys, revokeKey
]
