import events from './events.ts'
import expiry from './expiry.ts'
import farewells from './farewells.ts'
import supervision from './supervision.ts'

/** The life of a ready session: events, clocks, what is done before its end, supervision. Each plugin comes after those that it needs. */
export default [events, expiry, farewells, supervision]
