/** Guest disks from Debian's packages: recipe, lock, cache, build. docs/images.md */
export { type BuildOptions, type BuildProgress, type BuiltImages, buildImages } from './build-images.ts';
export { type CachedImage, defaultCacheDir, listImages } from './cache.ts';
export { ImageError, type ImageErrorCode, type RecipeDiagnostic, RecipeError } from './image-error.ts';
export { loadRecipe } from './load-recipe.ts';
export { type Lock, type LockedPackage, lockPathOf } from './lock.ts';
export type { LoadedRecipe } from './recipe.ts';
export { type EnsureToolsOptions, ensureTools, type MissingTool, missingTools } from './tools.ts';
export { type UpdateLockOptions, updateLock } from './update-lock.ts';
