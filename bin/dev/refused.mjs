/** The command cannot go on: the message is the one line that the person reads. */
export class Refused extends Error {
  name = 'Refused'
}
