import t from 'tap'
import { Budget } from '#domain/http/budget.ts'

t.test('nobody takes more than their part, nor all together more than there is, and what is given back is there again', async t => {
  const budget = new Budget(10, 6)
  const anna = budget.take('anna', 6)
  t.ok(anna)
  t.equal(budget.take('anna', 1), undefined, 'more than a part')
  const ben = budget.take('ben', 4)
  t.ok(ben)
  t.equal(budget.take('cleo', 1), undefined, 'more than there is')
  ben!()
  ben!()
  t.equal(budget.take('cleo', 5), undefined, 'it is given back once')
  t.ok(budget.take('cleo', 4))
  anna!()
  t.ok(budget.take('anna', 6))
})
