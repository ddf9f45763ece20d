import addKey from './add-key.ts'
import addSession from './add-session.ts'
import beginOidcLogin from './begin-oidc-login.ts'
import createSession from './create-session.ts'
import deleteSession from './delete-session.ts'
import endLogin from './end-login.ts'
import endLogins from './end-logins.ts'
import endUserSessions from './end-user-sessions.ts'
import getAuditLog from './get-audit-log.ts'
import endOidcLogins from './end-oidc-logins.ts'
import finishOidcLogin from './finish-oidc-login.ts'
import getAudit from './get-audit.ts'
import getDisplayFile from './get-display-file.ts'
import getDisplayState from './get-display-state.ts'
import getEvents from './get-events.ts'
import getLogs from './get-logs.ts'
import getMe from './get-me.ts'
import getSession from './get-session.ts'
import getStatistics from './get-statistics.ts'
import getValidity from './get-validity.ts'
import health from './health.ts'
import keepSession from './keep-session.ts'
import listAllSessions from './list-all-sessions.ts'
import listKeys from './list-keys.ts'
import listLogins from './list-logins.ts'
import listSessions from './list-sessions.ts'
import logIn from './log-in.ts'
import logOut from './log-out.ts'
import ready from './ready.ts'
import refreshSession from './refresh-session.ts'
import revokeKey from './revoke-key.ts'
import touchSession from './touch-session.ts'
import updateCode from './update-code.ts'
import viewHome from './view-home.ts'
import viewSession from './view-session.ts'

/** Every route of the API. */
export const routes = [
  createSession, addSession, listSessions, getSession, deleteSession, touchSession, refreshSession, getValidity, getLogs, getEvents, updateCode,
  viewHome, viewSession, getDisplayFile, getDisplayState, keepSession, getAudit, health, ready,
  listAllSessions, endUserSessions, getStatistics, getAuditLog,
  logIn, beginOidcLogin, finishOidcLogin, logOut, getMe, listLogins, endLogin, endLogins, addKey, listKeys, revokeKey, endOidcLogins
]
