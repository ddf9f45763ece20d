import addKey from './add-key.ts'
import addSession from './add-session.ts'
import addShare from './add-share.ts'
import createSession from './create-session.ts'
import deleteSession from './delete-session.ts'
import getAudit from './get-audit.ts'
import getDisplayFile from './get-display-file.ts'
import getDisplayState from './get-display-state.ts'
import getEvents from './get-events.ts'
import getLogs from './get-logs.ts'
import getMe from './get-me.ts'
import getSession from './get-session.ts'
import getValidity from './get-validity.ts'
import health from './health.ts'
import keepSession from './keep-session.ts'
import listKeys from './list-keys.ts'
import listSessions from './list-sessions.ts'
import listShares from './list-shares.ts'
import logIn from './log-in.ts'
import logOut from './log-out.ts'
import ready from './ready.ts'
import refreshSession from './refresh-session.ts'
import revokeKey from './revoke-key.ts'
import revokeShare from './revoke-share.ts'
import touchSession from './touch-session.ts'
import updateCode from './update-code.ts'
import viewHome from './view-home.ts'
import viewSession from './view-session.ts'
import viewShare from './view-share.ts'

/** Every route of the API. */
export const routes = [
  createSession, addSession, listSessions, getSession, deleteSession, touchSession, refreshSession, getValidity, getLogs, getEvents, updateCode,
  viewHome, viewSession, getDisplayFile, getDisplayState, keepSession, getAudit, health, ready,
  addShare, listShares, revokeShare, viewShare,
  logIn, logOut, getMe, addKey, listKeys, revokeKey
]
