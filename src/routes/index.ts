import addSession from './add-session.ts'
import createSession from './create-session.ts'
import deleteSession from './delete-session.ts'
import getAudit from './get-audit.ts'
import getDisplayFile from './get-display-file.ts'
import getDisplayState from './get-display-state.ts'
import getEvents from './get-events.ts'
import getLogs from './get-logs.ts'
import getSession from './get-session.ts'
import getValidity from './get-validity.ts'
import health from './health.ts'
import keepSession from './keep-session.ts'
import listSessions from './list-sessions.ts'
import ready from './ready.ts'
import refreshSession from './refresh-session.ts'
import touchSession from './touch-session.ts'
import updateCode from './update-code.ts'
import viewHome from './view-home.ts'
import viewSession from './view-session.ts'

/** Every route of the API. */
export const routes = [
  createSession, addSession, listSessions, getSession, deleteSession, touchSession, refreshSession, getValidity, getLogs, getEvents, updateCode,
  viewHome, viewSession, getDisplayFile, getDisplayState, keepSession, getAudit, health, ready
]
