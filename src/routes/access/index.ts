import addKey from './add-key.ts'
import beginOidcLogin from './begin-oidc-login.ts'
import addShare from './add-share.ts'
import endLogin from './end-login.ts'
import endLogins from './end-logins.ts'
import endOidcLogins from './end-oidc-logins.ts'
import finishOidcLogin from './finish-oidc-login.ts'
import getMe from './get-me.ts'
import listKeys from './list-keys.ts'
import listLogins from './list-logins.ts'
import listShares from './list-shares.ts'
import logIn from './log-in.ts'
import logOut from './log-out.ts'
import revokeKey from './revoke-key.ts'
import revokeShare from './revoke-share.ts'
import viewShare from './view-share.ts'

export default [
  logIn, beginOidcLogin, finishOidcLogin, logOut, getMe, listLogins, endLogin, endLogins, addKey, listKeys, revokeKey, endOidcLogins, addShare, listShares, revokeShare, viewShare
]
