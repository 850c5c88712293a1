// What the search finds first: guides before the list of names, and what explains a setting before what mentions it.
const pages = { api: -20, changes: -12, design: -6, performance: -12, matrix: -1, security: -2, configuration: 4, websockets: 2 };

var Scorer = {
  score: ([page, title, anchor, description, score]) => score + (pages[page] || 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
