/** Suggestions for misspelt names, for hosts: they may not reach below the services. */
export { didYouMean } from '../../labs-engine/closest.ts';
