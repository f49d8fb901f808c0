export function checkVectors() { return []; }
