// The band over every page of the practice till: its button leads back to the shop's.

import { TroubleError, post } from "./api.js";

const end = document.getElementById("end-practice");

end.addEventListener("click", async () => {
  end.disabled = true;
  try {
    await post("/practice/leave");
  } catch (error) {
    // Somebody ended it on another page: then this one is only left over.
    if (!(error instanceof TroubleError)) throw error;
  }
  location.assign("/");
});
