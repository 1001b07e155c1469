/** PEP 503: the one spelling under which a Python project is found, whichever an item, a file or a person uses. */
export function normalisedName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-')
}
