// The Hub's own client for JavaScript as a witness: node hub.mjs download|scan REPOSITORY ENDPOINT CACHE
// download prints the folder of the snapshot; scan prints each repository with its commits, their branches and their files.
import { basename, relative } from "node:path";
import { scanCacheDir, snapshotDownload } from "@huggingface/hub";

const [mode, repo, hubUrl, cacheDir] = process.argv.slice(2);
console.debug = () => {};
if (mode === "download") {
    console.log(await snapshotDownload({ repo, hubUrl, cacheDir }));
} else {
    const cache = await scanCacheDir(cacheDir);
    for (const warning of cache.warnings) console.error(String(warning));
    for (const { id, revisions } of cache.repos)
        for (const { commitOid, refs, path, files } of revisions)
            console.log(id.name, commitOid, refs.join(), files.map(file => relative(path, file.path) || basename(path)).sort().join());
    if (cache.warnings.length > 0) process.exitCode = 1;
}
