import addSession from './add-session.ts'
import createSession from './create-session.ts'
import deleteSession from './delete-session.ts'
import getEvents from './get-events.ts'
import getLogs from './get-logs.ts'
import getSession from './get-session.ts'
import getValidity from './get-validity.ts'
import importSession from './import-session.ts'
import listSessions from './list-sessions.ts'
import recoverSession from './recover-session.ts'
import refreshSession from './refresh-session.ts'
import restartSession from './restart-session.ts'
import touchSession from './touch-session.ts'

export default [
  createSession, addSession, importSession, recoverSession, listSessions, getSession, deleteSession, touchSession, refreshSession, restartSession, getValidity, getLogs, getEvents
]
